-- One line of JSON at the end of a run: requests a second, the 99th percentile in milliseconds, and what went wrong.
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests": %.1f, "p99": %.3f, "errors": %d}\n', summary.requests / summary.duration * 1e6,
    latency:percentile(99) / 1000, e.connect + e.read + e.write + e.status + e.timeout))
end
