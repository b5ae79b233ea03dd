"""The inbox: conversations as people see and take them, what is said in them, and messages that people and programs send.

A person's word takes its conversation over, as one from the shop's own telephone does: the bot is silent, and what it had queued is
withdrawn. Whatever is sent goes through outbound's one door; here it is decided to whom, whether it may go, and what is answered.

conversations: lists, and what people do with one · timeline: what was said in one, or by somebody ·
sending: messages that are to go · messages: what became of them · events: what came.
"""

from atendeja.inbox import conversations, events, messages, sending, timeline

ROUTES = [*conversations.ROUTES, *timeline.ROUTES, *sending.ROUTES, *messages.ROUTES, *events.ROUTES]

__all__ = ["ROUTES"]
