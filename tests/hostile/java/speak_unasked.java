// guarantee: a message between two calls ends the program
// expect: error
import java.io.*;
import java.util.*;

class Solution {
    static {
        Thread thread = new Thread(() -> {
            try {
                FileOutputStream out = new FileOutputStream(FileDescriptor.out);
                while (true) {
                    out.write(new byte[] {0, 0, 0, 8, 'R', 0, 0, 0, 0, 0, 'T', 0});
                }
            } catch (IOException closed) {
                return;
            }
        });
        thread.setDaemon(true);
        thread.start();
        try {
            Thread.sleep(50);
        } catch (InterruptedException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    public int next(int n) {
        return 0;
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
