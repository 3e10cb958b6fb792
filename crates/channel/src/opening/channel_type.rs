//! `channel_type`: which kinds of channel we ask for, and which we take (BOLT 2 "Defined Channel Types").

use crate::policy::View;
use astrape_primitives::{Feature, Features};
use astrape_transactions::CommitmentFormat;

/// A kind of channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChannelType {
    pub(super) format: CommitmentFormat,
    pub(super) scid_alias: bool,
}

impl ChannelType {
    /// The best kind that both sides know, or the one that is wanted: anchors when policy has them, an alias for what is not announced.
    pub(super) fn choose(
        announce: bool,
        wanted: Option<CommitmentFormat>,
        view: &View<'_>,
    ) -> Result<Self, String> {
        let anchors = view.policy.anchors && view.negotiated(Feature::Anchors);
        let best = if anchors { CommitmentFormat::Anchors } else { CommitmentFormat::StaticRemotekey };
        let format = wanted.unwrap_or(best);
        if format == CommitmentFormat::Anchors && !anchors {
            return Err("the peer knows no channels with anchors (option_anchors): open one without".into());
        }
        Ok(Self { format, scid_alias: !announce && view.negotiated(Feature::ScidAlias) })
    }

    /// The kind that the peer asks for, or why we do not take it.
    pub(super) fn read(features: &Features, announce: bool, view: &View<'_>) -> Result<Self, String> {
        let format = CommitmentFormat::from_channel_type(features)
            .ok_or_else(|| format!("channel_type {features:?} is none that this node knows"))?;
        if features.supports(Feature::Zeroconf) {
            return Err(
                "channel_type asks to use the channel before its funding is confirmed (option_zeroconf)"
                    .into(),
            );
        }
        if format == CommitmentFormat::Anchors && !(view.policy.anchors && view.negotiated(Feature::Anchors))
        {
            return Err("channel_type has option_anchors, which was not negotiated".into());
        }
        let scid_alias = features.supports(Feature::ScidAlias);
        if scid_alias && !view.negotiated(Feature::ScidAlias) {
            return Err("channel_type has option_scid_alias, which was not negotiated".into());
        }
        if scid_alias && announce {
            return Err("channel_type has option_scid_alias, and the channel is to be announced".into());
        }
        Ok(Self { format, scid_alias })
    }

    /// As it stands in `open_channel` and `accept_channel`.
    pub(super) fn features(self) -> Features {
        let base = self.format.channel_type();
        if self.scid_alias { base.with_required(Feature::ScidAlias) } else { base }
    }
}
