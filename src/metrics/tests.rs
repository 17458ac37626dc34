use super::exposition::Format;

#[test]
fn who_names_openmetrics_gets_it() {
    for accept in [
        "application/openmetrics-text",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2",
        "text/plain;q=0.9, application/openmetrics-text; version=1.0.0",
    ] {
        assert_eq!(Format::of(accept), Format::OpenMetrics, "{accept}");
    }
    for accept in
        ["", "*/*", "text/plain", "application/openmetrics-textual", "text/html,*/*;q=0.8"]
    {
        assert_eq!(Format::of(accept), Format::Prometheus, "{accept}");
    }
}
