//! astrape-node
