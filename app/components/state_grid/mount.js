// The small part that travels with every payload. The picture itself arrives once, in a second, constant
// component (code), so that a growing text does not carry the whole program along ten times a second.
export default function (component) {
  const hub = (globalThis.mistralExplorerStateGrid ??= { waiting: new Map() });
  if (hub.render) hub.render(component);
  else hub.waiting.set(component.parentElement, component);
  return () => {
    hub.waiting.delete(component.parentElement);
    hub.dispose?.(component.parentElement);
  };
}
