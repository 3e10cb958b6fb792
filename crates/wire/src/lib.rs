//! astrape-wire
