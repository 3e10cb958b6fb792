//! astrape-regtest
