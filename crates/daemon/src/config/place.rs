//! Which node: its network, its data directory, the address of its API.

use super::ConfigError;
use super::values::HostPort;
use astrape_primitives::Network;
use std::path::{Path, PathBuf};

/// In the data directory while the node runs: where its API is, for commands that are not told.
pub const API_ADDRESS_FILE: &str = "api.addr";

/// Which node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its network.
    pub network: Network,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Where its API is, as far as the operator says.
    pub rpc_addr: Option<HostPort>,
}

impl Place {
    /// Where the node is to offer its API.
    #[must_use]
    pub fn rpc_to_offer(&self) -> HostPort {
        self.rpc_addr.clone().unwrap_or_else(|| default_rpc(self.network))
    }

    /// Where its API is to be found: where the operator says, or where the node says, or where it is by default.
    #[must_use]
    pub fn rpc_to_call(&self) -> HostPort {
        let said = || std::fs::read_to_string(self.data_dir.join(API_ADDRESS_FILE)).ok()?.trim().parse().ok();
        let chosen = self.rpc_addr.clone().filter(|at| at.port != 0);
        chosen.or_else(said).unwrap_or_else(|| default_rpc(self.network))
    }
}

/// A port a network, so that nodes of several networks live beside each other.
fn default_rpc(network: Network) -> HostPort {
    let port = match network {
        Network::Bitcoin => 9835,
        Network::Testnet4 => 19835,
        Network::Signet => 39835,
        Network::Regtest => 29835,
    };
    HostPort::new("127.0.0.1", port)
}

/// Where a node of a network lives when nobody says.
pub(crate) fn default_data_dir(network: Network, home: Option<&Path>) -> Result<PathBuf, ConfigError> {
    let home = home.ok_or_else(|| ConfigError::refused("there is no home directory: give --data-dir DIR"))?;
    Ok(home.join(".astrape").join(network.name()))
}

/// The user's home directory.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| home.is_absolute())
}

/// Where bitcoind keeps its files when nobody says.
pub(crate) fn bitcoind_dir(home: &Path) -> PathBuf {
    if cfg!(target_os = "macos") {
        home.join("Library/Application Support/Bitcoin")
    } else {
        home.join(".bitcoin")
    }
}
