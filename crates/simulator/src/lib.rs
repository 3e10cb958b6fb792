//! astrape-simulator
