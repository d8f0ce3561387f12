use super::*;
use crate::origin::Origin;
use crate::proxy::Proxy;
use bytes::Bytes;
use http::Request;

fn written(request: http::request::Builder, length: u64) -> String {
    let (parts, ()) = request.body(()).unwrap().into_parts();
    String::from_utf8(head(&parts, length, None)).unwrap()
}

#[test]
fn for_a_proxy_the_request_line_has_the_whole_url() {
    let to = Origin::split("http://api.example.com:8000").unwrap().0;
    let at = Origin::split("http://proxy.example.com:3128").unwrap().0;
    let request = Request::get("/models?a=b").header("host", "api.example.com:8000");
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let forward = |user| Forward::new(&Proxy::new(at.clone(), user), &to);
    let head = |user| String::from_utf8(super::head(&parts, 0, Some(&forward(user)))).unwrap();
    let line = "GET http://api.example.com:8000/models?a=b HTTP/1.1\r\nhost: api.example.com:8000\r\n";
    assert_eq!(head(None), format!("{line}\r\n"));
    assert_eq!(head(Some("a:b")), format!("{line}proxy-authorization: Basic YTpi\r\n\r\n"));
}

#[test]
fn a_request_is_written_to_the_letter() {
    let request = Request::post("/v1/chat/completions?a=b")
        .header("host", "api.example.com")
        .header("Authorization", "Bearer k")
        .header("x-many", "1")
        .header("x-many", "2");
    assert_eq!(
        written(request, 17),
        "POST /v1/chat/completions?a=b HTTP/1.1\r\nhost: api.example.com\r\nauthorization: Bearer k\r\nx-many: 1\r\n\
         x-many: 2\r\ncontent-length: 17\r\n\r\n"
    );
}

#[test]
fn only_a_method_that_carries_something_says_that_it_carries_nothing() {
    assert_eq!(written(Request::get("/models"), 0), "GET /models HTTP/1.1\r\n\r\n");
    assert_eq!(written(Request::delete("/x"), 0), "DELETE /x HTTP/1.1\r\n\r\n");
    assert_eq!(written(Request::post("/x"), 0), "POST /x HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(written(Request::delete("/x"), 2), "DELETE /x HTTP/1.1\r\ncontent-length: 2\r\n\r\n");
}

#[test]
fn the_target_is_a_path_whatever_the_uri_holds() {
    assert_eq!(written(Request::get("https://user@host:1/a?b"), 0), "GET /a?b HTTP/1.1\r\n\r\n");
    assert_eq!(written(Request::get("https://host"), 0), "GET / HTTP/1.1\r\n\r\n");
}

#[test]
fn framing_and_connection_are_not_taken_from_the_request() {
    let request = Request::post("/x")
        .header("transfer-encoding", "chunked")
        .header("content-length", "999")
        .header("expect", "100-continue")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("host", "h");
    assert_eq!(written(request, 3), "POST /x HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\n");
}

#[test]
fn what_was_written_of_a_body_is_left_out() {
    let slices = ["abc", "", "de", "f"].map(|text| Bytes::from_static(text.as_bytes()));
    for written in 0..=6 {
        let mut body = RequestBody::new(slices.clone());
        body.advance(written);
        let mut places = [IoSlice::new(&[]); 4];
        let count = body.chunks_vectored(&mut places);
        let left: Vec<u8> = places[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        assert_eq!(left, b"abcdef"[written..]);
        assert_eq!(body.len(), left.len() as u64);
        assert_eq!(body.is_empty(), written == 6);
    }
}
