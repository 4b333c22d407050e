using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace DynConv.Reports;

/// <summary>
/// Serves the page of a report that still grows, at two addresses and nothing else, over sockets: HttpListener lets any
/// number of silent connections stay, and takes every name on IPv6. A request has some seconds to arrive and an answer to
/// be taken, and a connection ends with its answer.
/// </summary>
public sealed class ReportServer : IDisposable
{
    /// <summary>The port where nobody asks for another.</summary>
    public const int DefaultPort = 6007;

    private const int PortsToTry = 20;
    private const int Backlog = 128;
    private const int Part = 1 << 16;
    private const string Html = "text/html; charset=utf-8";
    private const string Json = "application/json";
    private const string Plain = "text/plain; charset=utf-8";

    private static readonly TimeSpan LongestHead = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestPart = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(100);

    private readonly Report _report;
    private readonly HostNames _names;
    private readonly IReadOnlyList<Socket> _listeners;
    private readonly Connections _connections = new();
    private readonly SemaphoreSlim _reading = new(1);
    private readonly byte[] _page;

    private ReportServer(Report report, HostNames names, IReadOnlyList<Socket> listeners, string address)
    {
        _report = report;
        _names = names;
        _listeners = listeners;
        _page = Encoding.UTF8.GetBytes(ReportPage.MakeLive());
        Address = address;
    }

    /// <summary>Where the page is.</summary>
    public string Address { get; }

    /// <summary>Begins to listen.</summary>
    /// <param name="report">What to show.</param>
    /// <param name="host"><c>localhost</c>, <c>*</c> for every address of the machine, or one of its names or addresses.</param>
    /// <param name="port">The port; null for <see cref="DefaultPort"/> or the next one that is free.</param>
    /// <exception cref="DynConvException">The port is taken, the address is not this machine's, or the program was built without the page.</exception>
    public static ReportServer Start(Report report, string host = "localhost", int? port = null)
    {
        ArgumentNullException.ThrowIfNull(report);
        ArgumentNullException.ThrowIfNull(host);
        for (int at = port ?? DefaultPort; ; at++)
        {
            try
            {
                return Listen(report, host, at);
            }
            catch (Exception exception) when (exception is SocketException or ArgumentException)
            {
                if (port is not null || at == DefaultPort + PortsToTry)
                {
                    throw new DynConvException($"The page cannot be served at {host}, port {at}: {exception.Message.TrimEnd('.')}; try another --port.", exception);
                }
            }
        }
    }

    /// <summary>Answers until asked to stop.</summary>
    /// <param name="stop">Asks for the end.</param>
    public async Task RunAsync(CancellationToken stop) =>
        await Task.WhenAll(_listeners.Select(listener => AcceptAsync(listener, stop))).ConfigureAwait(false);

    /// <summary>Closes the port and all connections.</summary>
    public void Dispose()
    {
        foreach (Socket listener in _listeners)
        {
            listener.Dispose();
        }

        _connections.Dispose();
        _reading.Dispose();
    }

    private static ReportServer Listen(Report report, string host, int port)
    {
        HostNames names = HostNames.Of(host);
        var listeners = new List<Socket>();
        try
        {
            foreach (IPAddress address in names.Addresses)
            {
                var listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                listeners.Add(listener);
                if (address.Equals(IPAddress.IPv6Any))
                {
                    listener.DualMode = true;
                }

                try
                {
                    listener.Bind(new IPEndPoint(address, port));
                }
                catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressNotAvailable && listeners.Count > 1)
                {
                    // A machine may know IPv6 and have no such address.
                    listeners.Remove(listener);
                    listener.Dispose();
                    continue;
                }

                listener.Listen(Backlog);
            }

            bool everywhere = names.Everywhere;
            string shown = everywhere ? Dns.GetHostName() : host.Contains(':') && !host.StartsWith('[') ? $"[{host}]" : host;
            return new ReportServer(report, names, listeners, $"http://{shown}:{port}/");
        }
        catch
        {
            listeners.ForEach(static listener => listener.Dispose());
            throw;
        }
    }

    private async Task AcceptAsync(Socket listener, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                Socket connection = await listener.AcceptAsync(stop).ConfigureAwait(false);
                _connections.Add(connection);
                _ = ServeAsync(connection, stop);
            }
            catch (Exception exception) when (exception is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                // The visitor has gone, or the system has no descriptors left.
                _connections.CloseOldest();
                await Task.Delay(Rest, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    private async Task ServeAsync(Socket connection, CancellationToken stop)
    {
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(stop);
            patience.CancelAfter(LongestHead);
            HttpRequest? request = await HttpRequest.ReadAsync(connection, patience.Token).ConfigureAwait(false);
            patience.CancelAfter(Timeout.InfiniteTimeSpan);
            await SendAsync(connection, request, await AnswerAsync(request, stop).ConfigureAwait(false), patience).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The visitor has gone or was too slow, or the server has been stopped.
        }
        finally
        {
            _connections.Close(connection);
        }
    }

    private static async Task SendAsync(Socket connection, HttpRequest? request, Answer answer, CancellationTokenSource patience)
    {
        byte[] head = Encoding.ASCII.GetBytes(
            $"HTTP/1.1 {answer.Status}\r\nContent-Type: {answer.Type}\r\nContent-Length: {answer.Body.Length}\r\nConnection: close\r\n" +
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\nReferrer-Policy: no-referrer\r\n\r\n");
        ReadOnlyMemory<byte> left = request is { Method: "HEAD" } ? head : (byte[])[.. head, .. answer.Body];
        while (!left.IsEmpty)
        {
            patience.CancelAfter(LongestPart);
            left = left[await connection.SendAsync(left[..Math.Min(Part, left.Length)], patience.Token).ConfigureAwait(false)..];
        }

        connection.Shutdown(SocketShutdown.Send);
        if (request is null)
        {
            // Closing with bytes unread would reset the connection, and the answer be lost on its way.
            var rest = new byte[Part];
            patience.CancelAfter(LongestHead);
            while (await connection.ReceiveAsync(rest, patience.Token).ConfigureAwait(false) > 0)
            {
                continue;
            }
        }
    }

    private async Task<Answer> AnswerAsync(HttpRequest? request, CancellationToken stop) => request switch
    {
        null => Answer.Text("400 Bad Request", "This is no request that a page makes."),
        { Host: null } => Answer.Text("400 Bad Request", "A request has to say once for which host it is."),
        { Host: { } host } when !_names.Answers(host) => Answer.Text("403 Forbidden", "This page is served under other names alone."),
        { Method: not ("GET" or "HEAD") } => Answer.Text("405 Method Not Allowed", "This page can only be read."),
        { Path: "/" } => new Answer("200 OK", Html, _page),
        { Path: "/data" } => await DataAsync(request, stop).ConfigureAwait(false),
        _ => Answer.Text("404 Not Found", "There is no such page."),
    };

    private async Task<Answer> DataAsync(HttpRequest request, CancellationToken stop)
    {
        // The report is read by one at a time; a reader who is slow to take the answer keeps nobody waiting.
        await _reading.WaitAsync(stop).ConfigureAwait(false);
        try
        {
            _report.Update();
            using var body = new MemoryStream();
            using (var json = new Utf8JsonWriter(body))
            {
                _report.Write(json, ReportPosition.Parse(request.Value("session"), request.Value("stamp"), request.Value("have")));
            }

            return new Answer("200 OK", Json, body.ToArray());
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            return Answer.Text("500 Internal Server Error", $"The folders cannot be read now: {exception.Message}");
        }
        finally
        {
            _reading.Release();
        }
    }

    private sealed record Answer(string Status, string Type, byte[] Body)
    {
        public static Answer Text(string status, string sentence) => new(status, Plain, Encoding.UTF8.GetBytes(sentence + "\n"));
    }
}
