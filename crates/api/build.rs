//! Makes Rust of the contract, without a `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["astrape/v1/node.proto"], ["proto"])?;
    let mut build = tonic_prost_build::configure()
        .type_attribute(".", "#[derive(serde::Serialize)]")
        .type_attribute("astrape.v1.Event.fact", "#[serde(rename_all = \"snake_case\")]")
        .field_attribute("astrape.v1.Event.fact", "#[serde(flatten)]");
    // Prost keeps enumerations as numbers; programs that read JSON want their names.
    for (field, enumeration) in [
        ("Coin.state", "CoinState"),
        ("ChannelFunds.state", "ChannelState"),
        ("Channel.state", "ChannelState"),
        ("Payment.direction", "PaymentDirection"),
        ("Payment.state", "PaymentState"),
        ("Invoice.state", "InvoiceState"),
        ("InvoiceEvent.state", "InvoiceState"),
        ("Close.kind", "CloseKind"),
        ("ChannelEvent.kind", "ChannelEventKind"),
    ] {
        let by_name =
            format!("#[serde(serialize_with = \"crate::names::by_name::<crate::v1::{enumeration}, _>\")]");
        build = build.field_attribute(format!("astrape.v1.{field}"), by_name);
    }
    build.compile_fds(files)?;
    Ok(())
}
