"""Talk to Klaviyo: `Klaviyo` and `AsyncKlaviyo`, their operations, filters, models and errors."""
