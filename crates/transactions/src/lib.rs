//! astrape-transactions
