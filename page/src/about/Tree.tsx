/** Any record as a list of names and values, records within records below each other. */

export function Tree({ of }: { of: Record<string, unknown> }) {
  return (
    <dl class="tree">
      {Object.entries(of).map(([name, value]) => (
        <div key={name}>
          <dt>{name.replaceAll("_", " ")}</dt>
          <dd>
            <Value of={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Value({ of }: { of: unknown }) {
  if (of === null || of === undefined || of === "") return <span class="soft">none</span>;
  if (Array.isArray(of)) return of.every((one) => typeof one !== "object") ? <bdi>{of.join(", ") || "none"}</bdi> : <Tree of={Object.fromEntries(of.entries())} />;
  if (typeof of === "object") return <Tree of={of as Record<string, unknown>} />;
  const text = String(of);
  return text.includes("\n") ? <pre>{text}</pre> : <bdi>{text}</bdi>;
}
