// Imports that the function does not have: they stay on the tests' side.  verdict: passed 0
import java.io.*;
import static java.lang.Math.*;
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        new StringReader("x");
        s.positives(Arrays.asList(1));
    }
}
