//! The API's service: each call of the contract, carried out over a running node.
//!
//! Reads use a snapshot of the node; what is to be done goes to the core as a command; what was is read from the ledger. A call
//! is judged before anything is done: whatever is wrong with it is told with the field's name.
//!
//! | room | what is in it |
//! |---|---|
//! | [`server`] | TLS, the token, limits |
//! | `connections` | how many there are, and how long they have to show the token |
//! | `argument` | fields of calls as values, or what is wrong with them |
//! | `refusal` | refusals as statuses of gRPC |
//! | `kind` | what is given to be paid and is no invoice |
//! | `named` | a channel by one of its names |
//! | `once` | calls that their caller has named, so that each is carried out once |
//! | `info`, `peers`, `money`, `channels`, `closes`, `policies`, `forced`, `invoices`, `open_invoices`, `payments`, `single`, `payable`, `route`, `probe`, `rebalance`, `stats`, `graph`, `intercept`, `facts` | the calls |

mod argument;
mod channels;
mod closes;
mod connections;
mod facts;
mod forced;
mod graph;
mod info;
mod intercept;
mod invoices;
mod kind;
mod money;
mod named;
mod once;
mod open_invoices;
mod payable;
mod payments;
mod peers;
mod policies;
mod probe;
mod rebalance;
mod refusal;
mod route;
pub mod server;
mod single;
mod stats;
pub(crate) use stats::MAX_PERIODS;

use crate::engine::{Handle, Stopped};
use astrape_api::v1::node_server::Node;
use astrape_api::v1::*;
use astrape_primitives::NodeId;
use std::sync::Arc;
use tokio::sync::{Notify, watch};
use tonic::{Request, Response, Status};

/// The service over one node.
#[derive(Clone)]
pub struct NodeService {
    handle: Handle,
    alias: String,
    stop: Arc<Notify>,
    /// Whether calls that wait for something are to end.
    closing: Arc<watch::Sender<bool>>,
}

impl NodeService {
    /// For a running node.
    #[must_use]
    pub fn new(handle: Handle, alias: Option<String>) -> Self {
        let alias = alias.unwrap_or_else(|| usual_alias(&handle.node_id()));
        Self { handle, alias, stop: Arc::default(), closing: Arc::new(watch::Sender::new(false)) }
    }

    /// Returns when a caller has asked the node to stop.
    pub async fn stop_asked(&self) {
        self.stop.notified().await;
    }

    /// Ends the calls that wait for something: the node stops.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Returns when waiting has no sense any more.
    async fn closed(&self) -> Stopped {
        // It cannot be closed while `self` holds the sender.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
        Stopped
    }

    fn snapshot(&self) -> Arc<astrape_node::Node> {
        self.handle.snapshot()
    }
}

/// What a node is called that was given no name.
#[must_use]
pub fn usual_alias(node_id: &NodeId) -> String {
    format!("astrape-{:.8}", node_id.to_string())
}

/// Names each call and where it is carried out.
macro_rules! calls {
    ($($call:ident($request:ident) -> $response:ident;)+) => {
        #[tonic::async_trait]
        impl Node for NodeService {
            type EventsStream = facts::Events;
            type InterceptStream = intercept::HeldHtlcs;

            $(async fn $call(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                self.$call(request.into_inner()).await.map(Response::new)
            })+

            async fn events(&self, request: Request<EventsRequest>) -> Result<Response<Self::EventsStream>, Status> {
                self.events(request.into_inner()).await.map(Response::new)
            }

            async fn intercept(&self, request: Request<InterceptRequest>) -> Result<Response<Self::InterceptStream>, Status> {
                self.intercept(request.into_inner()).await.map(Response::new)
            }
        }
    };
}

calls! {
    get_info(GetInfoRequest) -> GetInfoResponse;
    new_address(NewAddressRequest) -> NewAddressResponse;
    get_balance(GetBalanceRequest) -> GetBalanceResponse;
    list_funds(ListFundsRequest) -> ListFundsResponse;
    withdraw(WithdrawRequest) -> WithdrawResponse;
    bump_fee(BumpFeeRequest) -> BumpFeeResponse;
    recover(RecoverRequest) -> RecoverResponse;
    connect_peer(ConnectPeerRequest) -> ConnectPeerResponse;
    disconnect_peer(DisconnectPeerRequest) -> DisconnectPeerResponse;
    list_peers(ListPeersRequest) -> ListPeersResponse;
    open_channel(OpenChannelRequest) -> OpenChannelResponse;
    list_channels(ListChannelsRequest) -> ListChannelsResponse;
    set_channel(SetChannelRequest) -> SetChannelResponse;
    get_stats(GetStatsRequest) -> GetStatsResponse;
    close_channel(CloseChannelRequest) -> CloseChannelResponse;
    list_closes(ListClosesRequest) -> ListClosesResponse;
    create_invoice(CreateInvoiceRequest) -> CreateInvoiceResponse;
    settle_invoice(SettleInvoiceRequest) -> SettleInvoiceResponse;
    cancel_invoice(CancelInvoiceRequest) -> CancelInvoiceResponse;
    list_invoices(ListInvoicesRequest) -> ListInvoicesResponse;
    get_invoice(GetInvoiceRequest) -> GetInvoiceResponse;
    decode_invoice(DecodeInvoiceRequest) -> DecodeInvoiceResponse;
    pay(PayRequest) -> PayResponse;
    find_route(FindRouteRequest) -> FindRouteResponse;
    probe(ProbeRequest) -> ProbeResponse;
    rebalance(RebalanceRequest) -> PayResponse;
    list_payments(ListPaymentsRequest) -> ListPaymentsResponse;
    get_payment(GetPaymentRequest) -> GetPaymentResponse;
    list_forwards(ListForwardsRequest) -> ListForwardsResponse;
    resolve_htlc(ResolveHtlcRequest) -> ResolveHtlcResponse;
    get_graph(GetGraphRequest) -> GetGraphResponse;
    get_graph_node(GetGraphNodeRequest) -> GetGraphNodeResponse;
    get_graph_channel(GetGraphChannelRequest) -> GetGraphChannelResponse;
    stop(StopRequest) -> StopResponse;
}
