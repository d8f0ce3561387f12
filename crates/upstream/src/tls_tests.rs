use super::*;

fn written(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn certificate() -> String {
    rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem()
}

#[test]
fn all_certificates_of_a_file_are_read() {
    let (first, second) = (certificate(), certificate());
    let file = written(&format!("a comment\n{first}\n{second}"));
    let trust = Trust::read(file.path()).unwrap();
    assert_eq!(format!("{trust:?}"), "2 certificates");
    assert_eq!(trust, Trust::read(file.path()).unwrap());
    let other = written(&first);
    assert_ne!(trust, Trust::read(other.path()).unwrap());
}

#[test]
fn a_file_that_cannot_be_used_is_told_with_its_name_and_the_reason() {
    let broken = certificate().replacen('M', "!", 1);
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let no_certificate = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    for (text, reason) in
        [("", "there is none"), (&key, "there is none"), (&broken, "not PEM"), (no_certificate, "number 1")]
    {
        let file = written(text);
        let told = Trust::read(file.path()).unwrap_err().to_string();
        assert!(told.contains(reason) && told.contains(&*file.path().to_string_lossy()), "{told}");
    }
    let told = Trust::read(Path::new("/nowhere/ca.pem")).unwrap_err().to_string();
    assert!(told.contains("/nowhere/ca.pem") && told.contains("No such file"), "{told}");
}

#[test]
fn what_is_offered_is_what_may_be_spoken() {
    let offered = |http2| client_config(http2, None).unwrap().alpn_protocols.clone();
    assert_eq!(offered(Http2::Auto), [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert_eq!(offered(Http2::Never), [b"http/1.1".to_vec()]);
    assert_eq!(offered(Http2::Always), [b"h2".to_vec()]);
}

#[test]
fn the_machines_store_is_read_once_and_what_is_trusted_beside_it_stays_out_of_it() {
    let file = written(&certificate());
    let trust = Trust::read(file.path()).unwrap();
    let first = machine().unwrap();
    let count = first.len();
    client_config(Http2::Auto, Some(&trust)).unwrap();
    let second = machine().unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(second.len(), count);
}

#[test]
fn a_store_that_was_named_is_never_replaced_by_another() {
    let load = |path: &Path| rustls_native_certs::load_certs_from_paths(Some(path), None);
    let own = written(&certificate());
    assert_eq!(usual(load(own.path()), true).unwrap().len(), 1);
    let missing = Path::new("/nowhere/ca.pem");
    let told = usual(load(missing), true).unwrap_err().to_string();
    assert!(told.contains("SSL_CERT_FILE") && told.contains("No such file"), "{told}");
    assert!(usual(load(missing), false).unwrap().len() > 50, "Mozilla's list");
}
