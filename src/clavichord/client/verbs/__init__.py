"""The short ways to do the everyday things, on top of Klaviyo's operations; one module a group."""
