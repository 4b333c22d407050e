using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace DynConv.Reports;

/// <summary>
/// Serves the page of a report that still grows. HttpListener is in the runtime itself; Kestrel would add the whole of
/// ASP.NET Core to a self-contained program, for two addresses that one person reads.
/// </summary>
public sealed class ReportServer : IDisposable
{
    /// <summary>The port where nobody asks for another.</summary>
    public const int DefaultPort = 6007;

    private const int PortsToTry = 20;
    private const string Html = "text/html; charset=utf-8";
    private const string Json = "application/json";
    private const string Plain = "text/plain; charset=utf-8";

    private readonly Report _report;
    private readonly HttpListener _listener;
    private readonly byte[] _page;

    private ReportServer(Report report, HttpListener listener, string address)
    {
        _report = report;
        _listener = listener;
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
        for (int at = port ?? DefaultPort; ; at++)
        {
            try
            {
                return Listen(report, host, at);
            }
            catch (Exception exception) when (exception is HttpListenerException or SocketException or ArgumentException)
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
    public async Task RunAsync(CancellationToken stop)
    {
        using CancellationTokenRegistration registration = stop.Register(_listener.Stop);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                HttpListenerContext context = await _listener.GetContextAsync().ConfigureAwait(false);

                // The report is read by one at a time; a reader who is slow to take the answer keeps nobody waiting.
                _ = SendAsync(context.Response, Answer(context.Request));
            }
            catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException)
            {
                // The listener has been stopped.
            }
        }
    }

    /// <summary>Closes the port.</summary>
    public void Dispose() => _listener.Close();

    private static ReportServer Listen(Report report, string host, int port)
    {
        bool everywhere = host is "*" or "+" or "0.0.0.0" or "::";
        var listener = new HttpListener();
        try
        {
            // A page from elsewhere cannot ask under another name: the listener knows these alone.
            foreach (string name in everywhere ? ["*"] : host == "localhost" ? ["localhost", "127.0.0.1"] : (string[])[host])
            {
                listener.Prefixes.Add($"http://{name}:{port}/");
            }

            listener.Start();
            return new ReportServer(report, listener, $"http://{(everywhere ? Dns.GetHostName() : host)}:{port}/");
        }
        catch
        {
            listener.Close();
            throw;
        }
    }

    private static async Task SendAsync(HttpListenerResponse response, (int Status, string Type, byte[] Body) answer)
    {
        try
        {
            using HttpListenerResponse closing = response;
            response.StatusCode = answer.Status;
            response.ContentType = answer.Type;
            response.ContentLength64 = answer.Body.Length;
            response.Headers["Cache-Control"] = "no-store";
            response.Headers["X-Content-Type-Options"] = "nosniff";
            await response.OutputStream.WriteAsync(answer.Body).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException or IOException or InvalidOperationException)
        {
            // The reader has gone, or the listener has been stopped.
        }
    }

    private (int Status, string Type, byte[] Body) Answer(HttpListenerRequest request) => (request.HttpMethod, request.Url?.AbsolutePath) switch
    {
        ("GET", "/") => (200, Html, _page),
        ("GET", "/data") => (200, Json, Data(request)),
        ("GET", _) => (404, Plain, "There is no such page.\n"u8.ToArray()),
        _ => (405, Plain, "This page can only be read.\n"u8.ToArray()),
    };

    private byte[] Data(HttpListenerRequest request)
    {
        _report.Update();
        using var body = new MemoryStream();
        using (var json = new Utf8JsonWriter(body))
        {
            _report.Write(json, ReportPosition.Parse(
                request.QueryString["session"], request.QueryString["stamp"], request.QueryString["have"]));
        }

        return body.ToArray();
    }
}
