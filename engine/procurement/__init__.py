"""Procurement commands: tables read and checked, the rules of rules.procurement applied, results written."""
