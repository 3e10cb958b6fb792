//! Facts as they happen.

use super::Asking;
use crate::cli::exit::Failure;
use crate::cli::output::show_line;
use crate::render;
use astrape_api::v1::EventsRequest;

impl Asking {
    pub(super) async fn events(mut self, since: Option<u64>) -> Result<(), Failure> {
        let mut events = self.client.events(EventsRequest { since }).await?.into_inner();
        while let Some(event) = events.message().await? {
            show_line(self.json, &event, render::events::line)?;
        }
        Ok(())
    }
}
