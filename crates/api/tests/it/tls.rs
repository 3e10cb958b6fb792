//! Who may talk to a node: the certificate pins the node, the token the caller.

use astrape_api::auth::RequireToken;
use astrape_api::credentials::TOKEN_FILE;
use astrape_api::v1::node_server::{Node, NodeServer};
use astrape_api::v1::*;
use astrape_api::{ConnectError, Credentials, MAX_REQUEST, connect};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};

/// A node that only decodes: it gives back what it was asked.
struct Echo;

/// All of the contract, so that the attribute sees every method.
macro_rules! echo {
    ($($call:ident($request:ident) -> $response:ident;)+) => {
        #[tonic::async_trait]
        impl Node for Echo {
            type EventsStream = tokio_stream::Iter<std::vec::IntoIter<Result<Event, Status>>>;
            type InterceptStream = tokio_stream::Iter<std::vec::IntoIter<Result<HeldHtlc, Status>>>;

            async fn decode_invoice(
                &self,
                request: Request<DecodeInvoiceRequest>,
            ) -> Result<Response<DecodeInvoiceResponse>, Status> {
                let description = Some(request.into_inner().invoice);
                Ok(Response::new(DecodeInvoiceResponse { description, ..Default::default() }))
            }

            async fn events(&self, _: Request<EventsRequest>) -> Result<Response<Self::EventsStream>, Status> {
                let events: Vec<_> = (0..3).map(|number| Ok(Event { number, ..Default::default() })).collect();
                Ok(Response::new(tokio_stream::iter(events)))
            }

            async fn intercept(&self, _: Request<InterceptRequest>) -> Result<Response<Self::InterceptStream>, Status> {
                Err(Status::unimplemented("intercept"))
            }

            $(async fn $call(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                Err(Status::unimplemented(stringify!($call)))
            })+
        }
    };
}

echo! {
    get_info(GetInfoRequest) -> GetInfoResponse;
    find_route(FindRouteRequest) -> FindRouteResponse;
    probe(ProbeRequest) -> ProbeResponse;
    rebalance(RebalanceRequest) -> PayResponse;
    resolve_htlc(ResolveHtlcRequest) -> ResolveHtlcResponse;
    get_graph(GetGraphRequest) -> GetGraphResponse;
    get_graph_node(GetGraphNodeRequest) -> GetGraphNodeResponse;
    get_graph_channel(GetGraphChannelRequest) -> GetGraphChannelResponse;
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
    pay(PayRequest) -> PayResponse;
    list_payments(ListPaymentsRequest) -> ListPaymentsResponse;
    get_payment(GetPaymentRequest) -> GetPaymentResponse;
    list_forwards(ListForwardsRequest) -> ListForwardsResponse;
    stop(StopRequest) -> StopResponse;
}

/// A served node: its data directory and its address.
async fn served() -> (TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let credentials = Credentials::load_or_create(dir.path()).expect("credentials");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let identity = Identity::from_pem(&credentials.certificate, credentials.key.reveal());
    let node = NodeServer::new(Echo).max_decoding_message_size(MAX_REQUEST);
    let node =
        tonic::service::interceptor::InterceptedService::new(node, RequireToken::new(credentials.token));
    let mut server =
        Server::builder().tls_config(ServerTlsConfig::new().identity(identity)).expect("an identity");
    tokio::spawn(server.add_service(node).serve_with_incoming(TcpListenerStream::new(listener)));
    (dir, address)
}

fn copy(from: &Path, to: &Path, names: &[&str]) {
    for name in names {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[tokio::test]
async fn who_has_the_directory_may_call() {
    let (dir, address) = served().await;
    let mut client = connect(dir.path(), &address).await.expect("connected");
    let request = DecodeInvoiceRequest { invoice: "lnbc1".into() };
    let answer = client.decode_invoice(request).await.expect("answered").into_inner();
    assert_eq!(answer.description.as_deref(), Some("lnbc1"));
    let mut events = client.events(EventsRequest::default()).await.expect("streams").into_inner();
    let mut numbers = Vec::new();
    while let Some(event) = events.message().await.expect("an event") {
        numbers.push(event.number);
    }
    assert_eq!(numbers, [0, 1, 2]);
}

#[tokio::test]
async fn a_wrong_token_is_turned_away() {
    let (dir, address) = served().await;
    let other = tempfile::tempdir().unwrap();
    copy(dir.path(), other.path(), &["api.cert"]);
    fs::write(other.path().join(TOKEN_FILE), "00".repeat(32)).unwrap();
    let mut client = connect(other.path(), &address).await.expect("TLS holds");
    let status = client.get_info(GetInfoRequest {}).await.expect_err("turned away");
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("api.token"), "{}", status.message());
}

#[tokio::test]
async fn another_nodes_certificate_is_not_taken() {
    let (_dir, address) = served().await;
    let other = tempfile::tempdir().unwrap();
    Credentials::load_or_create(other.path()).expect("made");
    match connect(other.path(), &address).await {
        Err(error @ ConnectError::OtherNode { .. }) => {
            let told = error.to_string();
            assert!(told.contains("another node answers at") && !told.contains("running"), "{told}");
        }
        Err(other) => panic!("another refusal: {other}"),
        Ok(_) => panic!("connected to a node with another certificate"),
    }
}

#[tokio::test]
async fn any_client_finds_the_address_of_the_node_in_the_certificate() {
    let (dir, address) = served().await;
    let certificate = fs::read_to_string(dir.path().join("api.cert")).unwrap();
    for name in ["127.0.0.1", "::1", "localhost"] {
        let tls = tonic::transport::ClientTlsConfig::new()
            .ca_certificate(tonic::transport::Certificate::from_pem(&certificate))
            .domain_name(name);
        let at = tonic::transport::Endpoint::from_shared(format!("https://{address}")).unwrap();
        at.tls_config(tls).unwrap().connect().await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
}

#[tokio::test]
async fn a_node_that_is_not_there_is_said_to_be_so() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(connect(dir.path(), "127.0.0.1:1").await, Err(ConnectError::Credentials(_))));
    Credentials::load_or_create(dir.path()).expect("made");
    let error = connect(dir.path(), "127.0.0.1:1").await.expect_err("nobody is there").to_string();
    assert!(error.contains("127.0.0.1:1") && error.contains("astrape run"), "{error}");
    for address in ["", "a b", "host:port:x", "http://x"] {
        assert!(connect(dir.path(), address).await.is_err(), "{address}");
    }
}

#[tokio::test]
async fn a_huge_call_is_refused_before_it_is_read() {
    let (dir, address) = served().await;
    let mut client = connect(dir.path(), &address).await.unwrap().max_encoding_message_size(usize::MAX);
    let request = DecodeInvoiceRequest { invoice: "x".repeat(MAX_REQUEST + 1) };
    let status = client.decode_invoice(request).await.expect_err("too large");
    assert_eq!(status.code(), Code::OutOfRange);
    assert!(client.decode_invoice(DecodeInvoiceRequest::default()).await.is_ok(), "the connection lives on");
}
