using System.Net;
using System.Net.Sockets;

namespace DynConv.Reports;

/// <summary>
/// Where a server listens, and under which names it answers: a page from elsewhere whose name has been made to lead
/// here still asks under its own.
/// </summary>
/// <param name="Addresses">What to listen on.</param>
/// <param name="Names">Names that are this server's, besides addresses.</param>
/// <param name="Everywhere">Whether any address may stand for the server, as behind a forwarded port.</param>
internal sealed record HostNames(IReadOnlyList<IPAddress> Addresses, IReadOnlyList<string> Names, bool Everywhere)
{
    private const string Local = "localhost";

    /// <summary>Of what people give: <c>localhost</c>, <c>*</c>, a name or an address.</summary>
    /// <exception cref="SocketException">The name leads nowhere.</exception>
    public static HostNames Of(string host)
    {
        if (host is "*" or "+" or "0.0.0.0" or "::" or "[::]")
        {
            IPAddress all = Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any;
            return new HostNames([all], [Local, Dns.GetHostName()], Everywhere: true);
        }

        if (host == Local)
        {
            return new HostNames(Socket.OSSupportsIPv6 ? [IPAddress.Loopback, IPAddress.IPv6Loopback] : [IPAddress.Loopback], [Local], Everywhere: false);
        }

        IPAddress[] addresses = IPAddress.TryParse(host, out IPAddress? address) ? [address] : Dns.GetHostAddresses(host);
        return new HostNames(addresses, addresses.All(IPAddress.IsLoopback) ? [host, Local] : [host], Everywhere: false);
    }

    /// <summary>Whether a request's Host means this server.</summary>
    /// <param name="header">A name or an address, perhaps with a port: behind a tunnel it is another one.</param>
    public bool Answers(string header)
    {
        string name = WithoutPort(header.Trim());
        return IPAddress.TryParse(name.Trim('[', ']'), out IPAddress? address)
            ? Everywhere || Addresses.Contains(address) || (IPAddress.IsLoopback(address) && Addresses.Any(IPAddress.IsLoopback))
            : Names.Contains(name, StringComparer.OrdinalIgnoreCase);
    }

    private static string WithoutPort(string header)
    {
        int port = header.LastIndexOf(':');
        return port > header.LastIndexOf(']') && header.AsSpan(port + 1).IndexOfAnyExceptInRange('0', '9') < 0 ? header[..port] : header;
    }
}
