"""The send protocol of one message as a pure state machine: what may happen in any order, and what must hold whatever does.

designs     which rules are followed: the real ones, and those that must be found wrong
books       the message and its attempts as the ledger keeps them: what each statement makes of them
world       senders that die and freeze, the wire, WhatsApp, time
events      what may happen next
step        what an event makes of the world
invariants  what must hold in every state and at every step
wrong       designs that must be found out
explore     every reachable state, breadth first; the shortest way to a broken promise
"""
