use super::*;
use proptest::prelude::*;

fn load(page: &str) -> Option<(f64, Option<f64>)> {
    read(page.as_bytes()).map(|load| (load.waiting, load.cache_used))
}

#[test]
fn every_servers_names_are_known() {
    let vllm = "# HELP vllm:num_requests_waiting Number of requests waiting.\n# TYPE vllm:num_requests_waiting gauge\n\
                vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 8.0\n\
                vllm:num_requests_waiting{engine=\"0\",model_name=\"m\"} 2.0\n\
                vllm:num_requests_waiting{engine=\"1\",model_name=\"m\"} 1.0\n\
                vllm:num_requests_waiting_by_reason{reason=\"capacity\"} 9.0\n\
                vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"m\"} 0.25\n\
                vllm:kv_cache_usage_perc{engine=\"1\",model_name=\"m\"} 0.75\n";
    assert_eq!(load(vllm), Some((3.0, Some(0.75))));
    let sglang = "sglang:num_queue_reqs{model_name=\"a} b\"} 4.0\nsglang:token_usage{model_name=\"m\"} 0.31\n";
    assert_eq!(load(sglang), Some((4.0, Some(0.31))));
    let llama =
        "# TYPE llamacpp:requests_deferred gauge\nllamacpp:requests_processing 1\nllamacpp:requests_deferred 5\n";
    assert_eq!(load(llama), Some((5.0, None)));
    assert_eq!(load("tgi_queue_size 7 1700000000000\r\n"), Some((7.0, None)));
}

#[test]
fn what_says_nothing_of_waiting_calls_is_no_load() {
    for page in [
        "",
        "<html>",
        "llamacpp:kv_cache_usage_ratio 0.5\n",
        "tgi_queue_size NaN\n",
        "tgi_queue_size -1\n",
        "tgi_queue_size\n",
        "tgi_queue_size{",
    ] {
        assert_eq!(load(page), None, "{page:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), name in 0_usize..4) {
        let mut page = WAITING[name].as_bytes().to_vec();
        page.extend_from_slice(&bytes);
        if let Some(load) = read(&page) {
            prop_assert!(load.waiting.is_finite() && load.waiting >= 0.0);
        }
    }
}
