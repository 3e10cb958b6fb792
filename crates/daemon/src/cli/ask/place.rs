//! Whether the node that answers is the one that was meant.

use crate::cli::exit::Failure;
use crate::cli::fields::set_elsewhere;
use crate::config::Invocation;
use crate::config::place::{API_ADDRESS_FILE, default_data_dir, home};
use astrape_api::v1::GetInfoRequest;
use astrape_api::{Client, ConnectError, CredentialsError, connect};
use astrape_primitives::Network;

/// A client of the node that is meant.
pub(super) async fn reach(invocation: &Invocation) -> Result<Client, Failure> {
    let place = &invocation.place;
    let address = place.rpc_to_call().to_string();
    let mut client = match connect(&place.data_dir, &address).await {
        Ok(client) => client,
        Err(error) => {
            let is_missing = matches!(error, ConnectError::Credentials(CredentialsError::Missing(_)));
            let others = if is_missing { running_elsewhere(place.network) } else { String::new() };
            let elsewhere = set_elsewhere(&invocation.place_sources);
            return Err(Failure::from(error).with(&elsewhere).with(&others));
        }
    };
    let said = invocation.place_sources.iter().find(|source| source.name == "network");
    // Who does not say which network takes the one that the node is on.
    let Some(said) = said else { return Ok(client) };
    // A node that does not answer is told of by the call itself.
    let Ok(info) = client.get_info(GetInfoRequest {}).await else { return Ok(client) };
    let network = info.into_inner().network;
    if network == place.network.name() {
        return Ok(client);
    }
    let dir = place.data_dir.display();
    Err(Failure::Usage(format!(
        "the node of {dir}, which answers at {address}, is on network {network}, and {} says {}: nothing was asked of it. Give \
         --network {network}, or the --data-dir of the node that you mean",
        said.from, place.network
    )))
}

/// Nodes of other networks that run where nobody has said otherwise.
fn running_elsewhere(asked: Network) -> String {
    let home = home();
    let runs = |network: &Network| {
        let dir = default_data_dir(*network, home.as_deref()).ok()?;
        dir.join(API_ADDRESS_FILE)
            .exists()
            .then(|| format!(". A node of network {network} runs: --network {network}"))
    };
    Network::ALL.iter().filter(|network| **network != asked).filter_map(runs).collect()
}
