using System.Net.Sockets;

namespace DynConv.Reports;

/// <summary>
/// The connections that are open, never more than so many: a new one closes the one that has been silent for longest, so
/// that nobody who holds connections open keeps others out.
/// </summary>
internal sealed class Connections : IDisposable
{
    /// <summary>Far below what a process may open, and far above what some browsers use.</summary>
    public const int Most = 64;

    private readonly LinkedList<Socket> _open = [];
    private bool _disposed;

    /// <summary>Takes a connection in.</summary>
    public void Add(Socket connection)
    {
        lock (_open)
        {
            if (_disposed)
            {
                connection.Dispose();
                return;
            }

            if (_open.Count == Most)
            {
                CloseOldest();
            }

            _open.AddLast(connection);
        }
    }

    /// <summary>Closes a connection.</summary>
    public void Close(Socket connection)
    {
        lock (_open)
        {
            _open.Remove(connection);
        }

        connection.Dispose();
    }

    /// <summary>Makes room where the system has none left.</summary>
    public void CloseOldest()
    {
        lock (_open)
        {
            if (_open.First is { } oldest)
            {
                _open.RemoveFirst();
                oldest.Value.Dispose();
            }
        }
    }

    /// <summary>Closes all.</summary>
    public void Dispose()
    {
        lock (_open)
        {
            _disposed = true;
            foreach (Socket connection in _open)
            {
                connection.Dispose();
            }

            _open.Clear();
        }
    }
}
