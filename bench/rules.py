"""A policy of as many rules as asked for, of the forms that people write. Only the last one, which
the template adds, matches the bench's destination: first match decides, so all others are ahead."""

FORMS = (
    ("allow", '"api{n}.supplier{n}.example:443"', None),
    ("allow", '"*.cdn{n}.example:443,8443"', "10.{a}.{b}.0/24"),
    ("deny", '"198.18.{a}.{b}:1-65535"', None),
    ("allow", '"git{n}.corp.example:22,443"', "172.16.{a}.{b}"),
)


def rule(n):
    verdict, pattern, clients = FORMS[n % len(FORMS)]
    values = {"n": n, "a": n // 4 // 256 % 256, "b": n // 4 % 256}
    text = f"    - name: rule-{n}\n      {verdict}: [{pattern.format(**values)}]\n"
    if clients:
        text += f"      clients: [{clients.format(**values)}]\n"
    return text


def rules(total):
    """YAML of `total` - 1 rules, for the place in the template before its own."""
    return "".join(rule(n) for n in range(total - 1)).rstrip("\n")
