/** Toasts: pending, done, failed. The failed one says what the server said. */
import { notifications } from '@mantine/notifications';

const text = (error: unknown) => (error instanceof Error ? error.message : String(error));

export const toast = {
  done: (message: string) => notifications.show({ message, color: 'teal', autoClose: 4_000 }),
  failed: (title: string, error: unknown) => notifications.show({ title, message: text(error), color: 'red', autoClose: 10_000 }),
  /** Shows the work while it runs, then its end. Rejects as the work does. */
  async during<T>(work: Promise<T>, words: { pending: string; done: string; failed: string }): Promise<T> {
    const id = notifications.show({ message: words.pending, loading: true, autoClose: false, withCloseButton: false });
    try {
      const result = await work;
      notifications.update({ id, message: words.done, color: 'teal', loading: false, autoClose: 4_000, withCloseButton: true });
      return result;
    } catch (error) {
      notifications.update({ id, title: words.failed, message: text(error), color: 'red', loading: false, autoClose: 10_000, withCloseButton: true });
      throw error;
    }
  },
};
