//! astrape-api
