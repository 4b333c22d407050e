using System.Net.Sockets;
using System.Text;

namespace DynConv.Reports;

/// <summary>The head of a request, all that this server reads of one.</summary>
/// <param name="Method">As in <c>GET</c>.</param>
/// <param name="Path">What comes before the question mark.</param>
/// <param name="Query">What comes after it.</param>
/// <param name="Host">For whom the request is; null unless it says so just once.</param>
internal sealed record HttpRequest(string Method, string Path, string Query, string? Host)
{
    private const int LongestHead = 16 << 10;

    /// <summary>Reads a request's head.</summary>
    /// <returns>Null if it is none, or is longer than any browser's.</returns>
    /// <exception cref="SocketException">The connection is gone.</exception>
    public static async Task<HttpRequest?> ReadAsync(Socket connection, CancellationToken stop)
    {
        var head = new byte[LongestHead];
        int have = 0;
        while (have < head.Length)
        {
            int count = await connection.ReceiveAsync(head.AsMemory(have), stop).ConfigureAwait(false);
            if (count == 0)
            {
                return null;
            }

            // The end may lie across two parts.
            int from = Math.Max(0, have - 3);
            have += count;
            int end = head.AsSpan(from, have - from).IndexOf("\r\n\r\n"u8);
            if (end >= 0)
            {
                return Parse(Encoding.Latin1.GetString(head, 0, from + end));
            }
        }

        return null;
    }

    /// <summary>A value of the query, without what percent signs stand for; the questions of the page have none.</summary>
    public string? Value(string name) =>
        Query.Split('&').Select(static part => part.Split('=', 2)).FirstOrDefault(part => part.Length == 2 && part[0] == name)?[1];

    private static HttpRequest? Parse(string head)
    {
        string[] lines = head.Split("\r\n");
        if (lines[0].Split(' ') is not [{ Length: > 0 } method, ['/', ..] target, "HTTP/1.0" or "HTTP/1.1"])
        {
            return null;
        }

        string[] hosts = [.. lines[1..].Where(static line => line.StartsWith("host:", StringComparison.OrdinalIgnoreCase)).Select(static line => line["host:".Length..].Trim())];
        int question = target.IndexOf('?');
        return new HttpRequest(
            method,
            question < 0 ? target : target[..question],
            question < 0 ? "" : target[(question + 1)..],
            hosts.Length == 1 ? hosts[0] : null);
    }
}
