"""Kills and faults with real processes.

The run (`scripts/chaos`): run script crew crowd campaign havoc scene watch report.
The checker of what is left: checker facts inward outward restraint tenancy.
Planted defects, which it or a named test must see: defects scenarios.
The database and the host at fault: patrons postgres proxy, test_database, test_host.
"""
