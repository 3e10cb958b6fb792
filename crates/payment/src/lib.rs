//! astrape-payment
