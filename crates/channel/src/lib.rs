//! astrape-channel
