//! Both ends of the API over a real socket with real TLS.
#![allow(clippy::unwrap_used, missing_docs)]

mod credentials;
mod tls;
