//! astrape-chain
