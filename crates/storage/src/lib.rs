//! astrape-storage
