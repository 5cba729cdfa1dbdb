//! The one typed configuration.
