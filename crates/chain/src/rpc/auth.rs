//! Who we are to bitcoind.

use crate::rpc::RpcError;
use astrape_primitives::Network;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::path::{Path, PathBuf};

/// Credentials of a call.
#[derive(Clone)]
pub enum Auth {
    /// The file in which bitcoind writes new credentials at each start; it is read anew for each call, so a restart of
    /// bitcoind is no event.
    Cookie(PathBuf),
    /// `rpcuser` and `rpcpassword`, or a pair made for `rpcauth`.
    UserPassword {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
}

impl Auth {
    /// The cookie in a data directory of bitcoind.
    #[must_use]
    pub fn cookie_in(data_directory: &Path, network: Network) -> Self {
        let place = match network {
            Network::Bitcoin => data_directory.to_path_buf(),
            Network::Testnet4 | Network::Signet | Network::Regtest => data_directory.join(network.name()),
        };
        Auth::Cookie(place.join(".cookie"))
    }

    /// The value of the `Authorization` header.
    pub(crate) async fn header(&self) -> Result<String, RpcError> {
        let credentials = match self {
            Auth::UserPassword { user, password } => format!("{user}:{password}"),
            Auth::Cookie(path) => match tokio::fs::read_to_string(path).await {
                Ok(text) => text.trim_end().to_owned(),
                Err(error) => return Err(RpcError::Cookie { path: path.display().to_string(), error }),
            },
        };
        Ok(format!("Basic {}", STANDARD.encode(credentials)))
    }
}

impl fmt::Debug for Auth {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Auth::Cookie(path) => f.debug_tuple("Cookie").field(path).finish(),
            Auth::UserPassword { user, .. } => {
                f.debug_struct("UserPassword").field("user", user).finish_non_exhaustive()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_printed() {
        let auth = Auth::UserPassword { user: "alice".into(), password: "hunter2".into() };
        let text = format!("{auth:?}");
        assert!(text.contains("alice") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn the_cookie_lies_where_bitcoind_puts_it() {
        for (network, place) in [
            (Network::Bitcoin, "/b/.cookie"),
            (Network::Testnet4, "/b/testnet4/.cookie"),
            (Network::Signet, "/b/signet/.cookie"),
            (Network::Regtest, "/b/regtest/.cookie"),
        ] {
            let Auth::Cookie(path) = Auth::cookie_in(Path::new("/b"), network) else { panic!("a cookie") };
            assert_eq!(path, Path::new(place));
        }
    }
}
