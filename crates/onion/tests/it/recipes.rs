//! Recipes in records.

use crate::support::recipe;
use astrape_onion::recipe::RecipeError;
use astrape_onion::{MAX_HOPS, OnionRecipe};
use proptest::prelude::*;

#[test]
fn the_bytes_of_a_recipe_never_change() {
    let bytes = recipe(vec![vec![1, 2, 3], vec![4, 5]]).to_bytes();
    let expected = [
        "77".repeat(32),
        "42".repeat(32),
        "031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f".into(),
        "0003010203".into(),
        "024d4b6cd1361032ca9bd2aeb9d900aa4d45d9ead80ac9423374c451a7254d0766".into(),
        "00020405".into(),
    ];
    assert_eq!(hex::encode(bytes), expected.concat());
}

#[test]
fn a_damaged_record_is_refused() {
    let bytes = recipe(vec![vec![1, 2, 3]]).to_bytes();
    for end in (0..bytes.len()).filter(|end| *end != 64) {
        assert!(matches!(OnionRecipe::from_bytes(&bytes[..end]), Err(RecipeError::Value(_))), "{end} bytes");
    }
    let too_many = recipe(vec![vec![1, 2]; MAX_HOPS + 1]).to_bytes();
    assert_eq!(OnionRecipe::from_bytes(&too_many), Err(RecipeError::TooManyHops));
}

#[test]
fn a_recipe_does_not_print_its_session_key() {
    let printed = format!("{:?}", recipe(vec![vec![1, 2]]));
    assert!(!printed.contains("119, 119") && !printed.contains("7777"), "{printed}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_recipe_reads_what_it_writes(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8)) {
        let recipe = recipe(payloads);
        prop_assert_eq!(OnionRecipe::from_bytes(&recipe.to_bytes()), Ok(recipe));
    }
}
