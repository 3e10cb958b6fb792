//! astrape-onion
