//! Makes Rust of the contract, without a `protoc` on the machine.

use std::collections::BTreeSet;

/// What all names of the contract begin with.
const PACKAGE: &str = ".astrape.v1.";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["astrape/v1/node.proto"], ["proto"])?;
    let mut build = tonic_prost_build::configure()
        .type_attribute(".", "#[derive(serde::Serialize)]")
        .type_attribute("astrape.v1.Event.fact", "#[serde(rename_all = \"snake_case\")]")
        .field_attribute("astrape.v1.Event.fact", "#[serde(flatten)]");
    // Prost keeps enumerations as numbers; programs that read JSON want their names.
    let enumerations: BTreeSet<String> = files
        .file
        .iter()
        .flat_map(|file| &file.enum_type)
        .map(|enumeration| format!("{PACKAGE}{}", enumeration.name()))
        .collect();
    for message in files.file.iter().flat_map(|file| &file.message_type) {
        for field in message.field.iter().filter(|field| enumerations.contains(field.type_name())) {
            let enumeration = field.type_name().trim_start_matches(PACKAGE);
            let by_name = format!(
                "#[serde(serialize_with = \"crate::names::by_name::<crate::v1::{enumeration}, _, _>\")]"
            );
            let path = format!("{PACKAGE}{}.{}", message.name(), field.name());
            build = build.field_attribute(path, by_name);
        }
    }
    build.compile_fds(files)?;
    Ok(())
}
