//! The schema registry as a service.
