//! astrape-wallet
