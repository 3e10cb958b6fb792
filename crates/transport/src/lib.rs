//! astrape-transport
