//! astrape-invoice
