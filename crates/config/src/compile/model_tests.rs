use super::*;

#[test]
fn every_builtin_name_leads_to_a_model_that_the_price_book_knows_where_it_knows_the_vendor() {
    let table: BTreeMap<String, Vec<String>> = serde_json::from_str(BUILTIN).unwrap();
    assert!(table.len() > 20);
    for (name, targets) in table {
        assert!(!targets.is_empty(), "{name}");
        for text in targets {
            let target = Target::parse(&text).unwrap();
            assert!(crate::known::by_name(&target.provider).is_some(), "{name}: {text}");
            if PriceBook::bundled().vendors().any(|vendor| vendor == target.provider) {
                let price = PriceBook::bundled().price(&target.provider, &target.model);
                assert!(price.is_some(), "{name}: {text}");
            }
        }
    }
}

#[test]
fn the_names_people_use_are_built_in() {
    let table: BTreeMap<String, Vec<String>> = serde_json::from_str(BUILTIN).unwrap();
    for name in ["claude-sonnet-4.5", "claude-opus-4", "gemini-2.5-flash", "deepseek-v3.2", "gpt-4.1"] {
        assert!(table.contains_key(name), "{name}");
    }
}
