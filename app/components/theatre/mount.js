// The small part that travels with every payload; the theatre itself arrives once, as the player does.
export default function (component) {
  const hub = (globalThis.mistralExplorerTheatre ??= { waiting: new Map() });
  if (hub.render) hub.render(component);
  else hub.waiting.set(component.parentElement, component);
  return () => {
    hub.waiting.delete(component.parentElement);
    hub.dispose?.(component.parentElement);
  };
}
