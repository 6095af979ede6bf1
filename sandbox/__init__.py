"""The outside world on loopback: HubSpot, Salesforce, Slack and SMTP with a seeded population.

It imports nothing from ``flows``: it is the other side of the wire and speaks HTTP and SMTP only.
"""
