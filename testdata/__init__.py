"""What the project builds itself and ships: writers, scenarios and the evidence they produced."""
