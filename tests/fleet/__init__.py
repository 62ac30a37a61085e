"""Many tenants and ranges on an orchestrator."""
