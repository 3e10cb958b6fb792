//! What an engine needs to know.

use super::chain::embedded::EmbeddedChain;
use astrape_chain::{Bitcoind, BitcoindConfig, ChainSource};
use astrape_primitives::{FeeratePerKw, Height, Network};
use astrape_signer::InProcessSigner;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the chain is seen.
#[derive(Clone)]
pub enum ChainBackend {
    /// bitcoind, by RPC.
    Bitcoind(BitcoindConfig),
    /// A regtest chain inside this process.
    Embedded(EmbeddedChain),
    /// Any other source.
    Other(Arc<dyn ChainSource>),
}

impl fmt::Debug for ChainBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChainBackend::Bitcoind(config) => f.debug_tuple("Bitcoind").field(config).finish(),
            ChainBackend::Embedded(chain) => f.debug_tuple("Embedded").field(chain).finish(),
            ChainBackend::Other(_) => f.write_str("Other"),
        }
    }
}

impl ChainBackend {
    pub(super) fn source(&self) -> Arc<dyn ChainSource> {
        match self {
            ChainBackend::Bitcoind(config) => Arc::new(Bitcoind::new(config.clone())),
            ChainBackend::Embedded(chain) => Arc::new(chain.clone()),
            ChainBackend::Other(source) => Arc::clone(source),
        }
    }
}

/// What an engine needs to know.
#[derive(Clone)]
pub struct EngineConfig {
    /// The chain that the node lives on.
    pub network: Network,
    /// Where its journal lies; one process at a time.
    pub data_dir: PathBuf,
    /// Its keys.
    pub signer: Arc<InProcessSigner>,
    /// Where it listens for peers; port 0 takes any that is free.
    pub listen: Vec<SocketAddr>,
    /// Where it sees the chain.
    pub chain: ChainBackend,
    /// What the operator chose for channels and payments. Its node id is that of the signer.
    pub node: astrape_node::Config,
    /// The first block in which there may be coins of its keys, if these were used before; a wallet that began later begins
    /// anew there.
    pub wallet_birthday: Option<Height>,
    /// What a node without peers does. With `Some` it calls strangers: nodes of the network that it knows, and those that these DNS
    /// seeds name (BOLT 10), of which there may be none. With `None` it calls nobody but those whom it was told to call, and the
    /// peers of its channels.
    pub dns_seeds: Option<Vec<String>>,
    /// The name server that is asked; `None` asks that of the machine.
    pub name_server: Option<SocketAddr>,
    /// What stands in for the chain source's estimates of the feerate.
    pub estimate: Option<FeeratePerKw>,
    /// Short intervals everywhere, for tests and the playground.
    pub dev_fast: bool,
}
