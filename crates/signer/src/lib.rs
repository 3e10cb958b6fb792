//! astrape-signer
