// The small part that travels with every payload. The picture itself arrives once, in a second, constant component
// (code), so that a growing text does not carry the whole program along ten times a second. PICTURE is its name.
export default function (component) {
  const hub = (globalThis[`mistral-explorer-${PICTURE}`] ??= { waiting: new Map() });
  const host = component.parentElement;
  // Where two payloads come close upon each other, Streamlit may call us with the older one last, or clean up after it
  // while the newer one is shown in the same place. An outdated call is cleaned up after at once: so it is waited for
  // that, and only a place that has left the page is let go.
  const timer = setTimeout(() => {
    if (hub.render) hub.render(component);
    else hub.waiting.set(host, component);
  });
  return () => {
    clearTimeout(timer);
    setTimeout(() => {
      if (host.isConnected) return;
      hub.waiting.delete(host);
      hub.dispose?.(host);
    });
  };
}
